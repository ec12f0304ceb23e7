// dlib_describe RESNET.dat CHIP.png...
// dlib_describe RESNET.dat --cut FIVE_POINTS.dat PICTURE CHIP.png [PICTURE CHIP.png...]
//
// Prints dlib's own 128 numbers for each chip, as JSON. With --cut it first
// cuts each chip out of a picture; the numbers are then those of the chip as
// read back from its file, so that whoever has the chips can repeat them.
#include <iostream>
#include <vector>

#include <dlib/image_io.h>

#include "dlib_face.h"

namespace {

std::string file_name(const std::string& path)
{
    return path.substr(path.find_last_of('/') + 1);
}

void print(const std::string& chip, const Descriptor& numbers, bool last)
{
    std::cout << "  {\"chip\":\"" << file_name(chip) << "\",\"descriptor\":[";
    for (size_t i = 0; i < numbers.size(); ++i)
        std::cout << (i ? "," : "") << numbers[i];
    std::cout << "]}" << (last ? "\n" : ",\n");
}

} // namespace

int main(int argc, char** argv)
try {
    const std::vector<std::string> args(argv + 1, argv + argc);
    const bool cut = args.size() > 1 && args[1] == "--cut";
    if (args.size() < 2 || (cut && (args.size() < 5 || args.size() % 2 == 0))) {
        std::cerr << "usage: dlib_describe RESNET.dat CHIP.png...\n"
                     "       dlib_describe RESNET.dat --cut FIVE_POINTS.dat PICTURE CHIP.png...\n";
        return 64;
    }
    std::vector<std::string> chips;
    if (cut) {
        Cutter cutter(args[2]);
        for (size_t i = 3; i < args.size(); i += 2) {
            const auto chip = cutter.largest_face(load_picture(args[i]));
            if (!chip)
                throw std::runtime_error(args[i] + ": no face found");
            dlib::save_png(*chip, args[i + 1]);
            chips.push_back(args[i + 1]);
        }
    } else {
        chips.assign(args.begin() + 1, args.end());
    }

    Network network(args[0]);
    // Nine digits give a float back exactly.
    std::cout.precision(9);
    std::cout << "[\n";
    for (size_t i = 0; i < chips.size(); ++i)
        print(chips[i], network.describe(load_picture(chips[i])), i + 1 == chips.size());
    std::cout << "]\n";
    return 0;
} catch (const std::exception& e) {
    std::cerr << "dlib_describe: " << e.what() << "\n";
    return 65;
}
