#include "dlib_face.h"

#include <algorithm>
#include <sstream>
#include <stdexcept>

#include <dlib/dnn.h>
#include <dlib/image_io.h>
#include <dlib/image_processing.h>
#include <dlib/image_processing/frontal_face_detector.h>
#include <dlib/image_transforms.h>

namespace {

// The network's shape is part of its C++ type: dlib refuses to read weights
// into any other. It is the published 29-layer one: five levels of residual
// blocks (alevel4 nearest to the picture), with `affine` in place of the batch
// normalisation it was trained with.
template <int N, int stride, typename BELOW>
using block = dlib::affine<dlib::con<N, 3, 3, 1, 1,
              dlib::relu<dlib::affine<dlib::con<N, 3, 3, stride, stride, BELOW>>>>>;

template <int N, typename BELOW>
using keep = dlib::relu<dlib::add_prev1<block<N, 1, dlib::tag1<BELOW>>>>;

// Halves width and height; the shortcut is averaged down to match.
template <int N, typename BELOW>
using halve = dlib::relu<dlib::add_prev2<dlib::avg_pool<2, 2, 2, 2,
              dlib::skip1<dlib::tag2<block<N, 2, dlib::tag1<BELOW>>>>>>>;

template <typename BELOW> using alevel4 = keep<32, keep<32, keep<32, BELOW>>>;
template <typename BELOW> using alevel3 = keep<64, keep<64, keep<64, halve<64, BELOW>>>>;
template <typename BELOW> using alevel2 = keep<128, keep<128, halve<128, BELOW>>>;
template <typename BELOW> using alevel1 = keep<256, keep<256, halve<256, BELOW>>>;
template <typename BELOW> using alevel0 = halve<256, BELOW>;

using Resnet = dlib::loss_metric<dlib::fc_no_bias<128, dlib::avg_pool_everything<
    alevel0<alevel1<alevel2<alevel3<alevel4<
    dlib::max_pool<3, 3, 2, 2, dlib::relu<dlib::affine<dlib::con<32, 7, 7, 2, 2,
    dlib::input_rgb_image_sized<CHIP_SIDE>>>>>>>>>>>>>;

} // namespace

Picture load_picture(const std::string& path)
{
    // dlib's errors don't always name the file.
    try {
        Picture picture;
        dlib::load_image(picture, path);
        return picture;
    } catch (const std::exception& e) {
        throw std::runtime_error(path + ": " + e.what());
    }
}

struct Cutter::Parts {
    dlib::frontal_face_detector detector = dlib::get_frontal_face_detector();
    dlib::shape_predictor five_points;
};

Cutter::Cutter(const std::string& five_points_dat) : parts(new Parts)
{
    dlib::deserialize(five_points_dat) >> parts->five_points;
}

Cutter::~Cutter() = default;

std::optional<Picture> Cutter::largest_face(const Picture& picture)
{
    dlib::pyramid_down<2> pyramid;
    Picture doubled;
    dlib::pyramid_up(picture, doubled, pyramid);
    const std::vector<dlib::rectangle> boxes = parts->detector(doubled);
    if (boxes.empty())
        return std::nullopt;
    const auto largest = std::max_element(boxes.begin(), boxes.end(),
        [](const auto& a, const auto& b) { return a.area() < b.area(); });
    // Landmarks and chip come from the picture as it was.
    const auto points = parts->five_points(picture, pyramid.rect_down(*largest));
    Picture chip;
    dlib::extract_image_chip(picture, dlib::get_face_chip_details(points, CHIP_SIDE, CHIP_PADDING), chip);
    return chip;
}

struct Network::Parts {
    Resnet net;
};

Network::Network(const std::string& resnet_dat) : parts(new Parts)
{
    dlib::deserialize(resnet_dat) >> parts->net;
}

Network::~Network() = default;

Descriptor Network::describe(const Picture& chip)
{
    if (chip.nr() != long(CHIP_SIDE) || chip.nc() != long(CHIP_SIDE)) {
        std::ostringstream why;
        why << "a chip is " << CHIP_SIDE << "x" << CHIP_SIDE << " pixels, this picture is "
            << chip.nc() << "x" << chip.nr();
        throw std::runtime_error(why.str());
    }
    const dlib::matrix<float, 0, 1> numbers = parts->net(chip);
    Descriptor out;
    std::copy(numbers.begin(), numbers.end(), out.begin());
    return out;
}

void Network::write_xml(std::ostream& out)
{
    dlib::net_to_xml(parts->net, out);
}
